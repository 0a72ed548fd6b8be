"""What leaves for merchants: signed webhooks, to addresses checked at connect time."""
