"""The names that payers are registered under, the same for a number each time."""

FIRST_NAMES = (
    "JANE", "JOHN", "MARY", "PETER", "ACHIENG", "WANJIKU", "KIPROP", "AMINA", "OTIENO", "MWENDE",
    "BRIAN", "FAITH", "HASSAN", "NJERI", "KEVIN", "ESTHER",
)  # fmt: skip
LAST_NAMES = (
    "KAMAU", "ODHIAMBO", "MUTUA", "CHEBET", "WAWERU", "ABDI", "NYAMBURA", "KIPLAGAT", "ATIENO",
    "MUSYOKA", "OMONDI", "KARIUKI", "JUMA",
)  # fmt: skip


def name_of(phone: str) -> tuple[str, str]:
    """Return the first and the last name behind a number."""
    number = int(phone)
    return FIRST_NAMES[number % len(FIRST_NAMES)], LAST_NAMES[number % len(LAST_NAMES)]


def full_name_of(phone: str) -> str:
    """Return both names in one line."""
    return " ".join(name_of(phone))
