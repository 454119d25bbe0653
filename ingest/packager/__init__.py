"""From fragments of MP4 to the files that players ask for."""

from ingest.packager.store import Folder, MediaStore, StoreFull

__all__ = ["Folder", "MediaStore", "StoreFull"]
