"""What can be wrong with a file as a whole, and that too many are read at once."""

from __future__ import annotations

from hakika.domain.errors import Conflict, Invalid, Unavailable


class PayoutFileUnreadable(Invalid):
    """The file of payouts cannot be read: nothing of it was kept, and nothing is sent."""

    code = "payout_file_unreadable"
    hint = "Save it as CSV (UTF-8) or XLSX, without a password, and send it again."

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, field="file", code=self.code, hint=hint)


class PayoutFileTooLarge(PayoutFileUnreadable):
    """The file of payouts has more rows than one file may have."""

    code = "payout_file_too_large"
    hint = "Send it in parts: each part is a file of its own."


class PayoutFileForeign(PayoutFileUnreadable):
    """The file of payouts has not the columns that it needs, or others besides."""

    code = "payout_file_foreign"
    hint = (
        "The first row names the columns: amount and one or more of phone, paybill with account, "
        "till; if you like name, reference, remarks. docs/bulk.md has an example."
    )


class PayoutFileWrong(Conflict):
    """Rows of the file are wrong, so nothing of it can be sent."""

    code = "payout_file_wrong"
    hint = "Mend the rows that GET /v1/payout-files/{id}/rows?wrong=true lists, and send the file."


class FilesWait(Unavailable):
    """As many files as are read at once are being read."""

    code = "files_wait"
    hint = "Send the file again after Retry-After seconds."


class StatementsWait(Unavailable):
    """As many statements as are imported at once are being imported."""

    code = "statements_wait"
    hint = "Send the file again after Retry-After seconds."
