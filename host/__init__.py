"""What runs a site on one machine: embedded servers, programs, supervisor, `serve`, the demo, regions, backups."""
