"""Reports as pages: one HTML file each, which needs no network; one module per part.

All content is escaped, and bidirectional controls act only in the element that has them. The Content-Security-Policy of
a page forbids network access, and allows its one style and, if a table can be sorted, its one script by their digests.
"""
