"""The page Label photos: uploads, the batch, the gallery, the open photo, corrections, and the download."""
