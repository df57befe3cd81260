"""Tags in XMP files beside photos, and out of them again."""
