"""What runs a site on one machine: servers, programs, supervisor, `serve`, certificates, the demo, regions, backups."""
