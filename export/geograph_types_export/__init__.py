"""From CLIP's weights and a trained head to a verified model bundle."""
