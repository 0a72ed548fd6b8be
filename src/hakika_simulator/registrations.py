"""Where the owner of a short code wants to hear of its C2B payments."""

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
    """Keeps the URLs. Callers hold the transaction."""

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

    def reset(self) -> None:
        """Forget all URLs."""
        self._storage.write("delete from registrations")
