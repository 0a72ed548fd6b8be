"""AWS KMS: keeps the master key sealed at rest. Asked once, when a process starts.

Region, credentials and endpoint come from the environment, as for every AWS tool. Needs the extra:
`pip install 'hakika[kms]'`.
"""

from __future__ import annotations

import base64
import binascii
from functools import cache
from typing import Any

PREFIX = "kms:"

# Says what the ciphertext is for: KMS opens it for nothing else, and writes it to the audit trail.
CONTEXT = {"for": "hakika master key"}


# A start should say soon that KMS is away; boto's own patience is minutes.
_PATIENCE: dict[str, Any] = {
    "connect_timeout": 5, "read_timeout": 10, "retries": {"total_max_attempts": 2},
}


class KmsFailed(Exception):
    """KMS gave no key. The message says why."""


@cache
def opened(text: str) -> str:
    """Return the master key in base64 that `text` (kms:…) holds. Raises: KmsFailed."""
    try:
        sealed = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise KmsFailed("The master key starts with kms:, and no base64 follows.") from None
    return _asked("decrypt", CiphertextBlob=sealed, EncryptionContext=CONTEXT)[0]


def new_key(key_id: str) -> str:
    """Return a new master key as kms:…, made and sealed by the KMS key `key_id`.

    Raises:
        KmsFailed: KMS refused, cannot be reached, or the extra is not installed.
    """
    _, sealed = _asked(
        "generate_data_key", KeyId=key_id, KeySpec="AES_256", EncryptionContext=CONTEXT,
    )
    return PREFIX + sealed


def _asked(what: str, **wanted: Any) -> tuple[str, str]:
    """Return the key and its ciphertext, both in base64, that KMS answers with."""
    try:
        import boto3  # noqa: PLC0415 - an extra, and a slow one
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    except ImportError:
        raise KmsFailed("AWS KMS needs its extra: pip install 'hakika[kms]'.") from None
    try:
        answer = getattr(boto3.client("kms", config=Config(**_PATIENCE)), what)(**wanted)
    except (BotoCoreError, ClientError) as error:
        raise KmsFailed(f"AWS KMS gave no key: {error}.") from error
    return (
        base64.b64encode(answer["Plaintext"]).decode(),
        base64.b64encode(answer.get("CiphertextBlob", b"")).decode(),
    )
