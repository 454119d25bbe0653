#!/usr/bin/env python
"""The auction's commands. `./run examples/auction/manage.py migrate`, from the folder above."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The platform is two folders up. A site of your own would have it installed.
sys.path.append(str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auction.settings")

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
