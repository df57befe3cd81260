"""From the published dataset to a trained head, honestly evaluated."""
