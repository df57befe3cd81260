// The page at /
