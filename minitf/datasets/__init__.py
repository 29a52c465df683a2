"""Tables of examples: reading CSV, TSV and JSON lines, data checks, split, augmentation. Standard library only."""
