"""What the owner of a short code registered: where to tell of C2B payments, and Pull."""

from dataclasses import dataclass

from hakika_simulator.storage import Storage

COMPLETED, CANCELLED = "Completed", "Cancelled"


@dataclass(frozen=True, slots=True)
class Registration:
    """The C2B URLs of one short code, and what happens when its validation fails."""

    shortcode: str
    response_type: str  # Completed or Cancelled
    confirmation_url: str
    validation_url: str
    version: int  # of the API it was registered with: 1 hashes the payer's number, 2 masks it


class Registrations:
    """Keeps the registrations. Callers hold the transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def put(self, registration: Registration) -> None:
        """Register, or register anew."""
        self._storage.write(
            "insert or replace into registrations (shortcode, response_type, confirmation_url,"
            " validation_url, version) values (?, ?, ?, ?, ?)",
            registration.shortcode,
            registration.response_type,
            registration.confirmation_url,
            registration.validation_url,
            registration.version,
        )

    def find(self, shortcode: str) -> Registration | None:
        """Return what is registered for a short code, or None."""
        found = self._storage.row(
            "select shortcode, response_type, confirmation_url, validation_url, version"
            " from registrations where shortcode = ?",
            shortcode,
        )
        return None if found is None else Registration(*found)

    def delete(self, shortcode: str) -> bool:
        """Forget a short code's URLs, as its owner can on the portal; tell if there were any."""
        sql = "delete from registrations where shortcode = ?"
        return self._storage.write(sql, shortcode) == 1

    def register_pull(self, shortcode: str) -> bool:
        """Let a short code use Pull; tell whether it could not before."""
        sql = "insert or ignore into pull_registrations (shortcode) values (?)"
        return self._storage.write(sql, shortcode) == 1

    def is_pull_registered(self, shortcode: str) -> bool:
        """Tell whether a short code may use Pull."""
        sql = "select 1 from pull_registrations where shortcode = ?"
        return self._storage.row(sql, shortcode) is not None

    def reset(self) -> None:
        """Forget everything registered."""
        self._storage.write("delete from registrations")
        self._storage.write("delete from pull_registrations")
