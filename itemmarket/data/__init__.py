"""Where data come from: archives, downloads, checksums, the catalogue built anew."""
