"""API operators: the names and passwords that Status and Balance calls are made under.

The password comes encrypted with RSA, PKCS#1 v1.5, and base64 (daraja.md 3.3). It is really
decrypted, with a key made for this simulator, whose certificate expired long ago as Safaricom's
own have.
"""

import base64
import binascii
import secrets
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from hakika_simulator import results
from hakika_simulator.settings import Settings
from hakika_simulator.storage import Storage

WRONG_TRIES_MAX = 3
KEY_BITS = 2048
VALID_FROM, VALID_UNTIL = datetime(2015, 1, 1, tzinfo=UTC), datetime(2018, 1, 1, tzinfo=UTC)


class Operators:
    """Knows who may call, and locks out who gets the password wrong."""

    def __init__(self, storage: Storage, settings: Settings) -> None:
        self._storage = storage
        self._settings = settings
        self._key: rsa.RSAPrivateKey | None = None
        for name, password in settings.operators.items():
            self.put(name, password)

    def put(self, name: str, password: str) -> None:
        """Add an operator, or give one a new password; wrong tries are forgotten."""
        self._storage.write(
            "insert or replace into operators (name, password, wrong_tries) values (?, ?, 0)",
            name,
            password,
        )

    def unlock(self, name: str) -> bool:
        """Forget an operator's wrong tries; tell whether there is such an operator."""
        sql = "update operators set wrong_tries = 0 where name = ?"
        return self._storage.write(sql, name) == 1

    def check(self, name: str, credential: str) -> str:
        """Return the result code that a call under this name and credential comes to, 0 if good."""
        found = self._storage.row(
            "select password, wrong_tries from operators where name = ?", name
        )
        if found is None:
            return results.NO_SUCH_OPERATOR
        if found[1] >= WRONG_TRIES_MAX:
            return results.OPERATOR_LOCKED
        is_right = self._decrypted(credential) == found[0].encode()
        self._storage.write(
            "update operators set wrong_tries = ? where name = ?",
            0 if is_right else found[1] + 1,
            name,
        )
        return results.PAID if is_right else results.WRONG_CREDENTIAL

    def certificate(self) -> bytes:
        """Return the certificate to encrypt passwords with, as PEM."""
        key = self._private_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apicrypt.simulator.invalid")])
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(VALID_FROM)
            .not_valid_after(VALID_UNTIL)
            .sign(key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    def reset(self) -> None:
        """Forget every operator but those of the settings, and every wrong try."""
        self._storage.write("delete from operators")
        for name, password in self._settings.operators.items():
            self.put(name, password)

    def _decrypted(self, credential: str) -> bytes:
        try:
            sealed = base64.b64decode(credential, validate=True)
            return self._private_key().decrypt(sealed, padding.PKCS1v15())
        except (binascii.Error, ValueError):
            # Nobody's password: as wrong as any other.
            return secrets.token_bytes()

    def _private_key(self) -> rsa.RSAPrivateKey:
        """Return the key: made when it is first asked for, for that takes a moment, and kept."""
        if self._key is None:
            kept = self._storage.row("select value from kept where name = 'operator_key'")
            if kept is None:
                self._key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
                pem = self._key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
                self._storage.write(
                    "insert into kept (name, value) values ('operator_key', ?)", pem.decode()
                )
            else:
                loaded = serialization.load_pem_private_key(kept[0].encode(), password=None)
                assert isinstance(loaded, rsa.RSAPrivateKey)
                self._key = loaded
        return self._key
