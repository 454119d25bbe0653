"""Look after the site's certificate once: `python -m liveplatform.certificate`. Started by the site when it is time.

It is a process of its own, which ends: what asks an authority takes as much memory as a node does.
"""

from __future__ import annotations

import os
import sys

from host.errors import Unusable, exit_code_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveplatform.settings")


def main() -> int:
    """Return the exit code: 0, also without a certificate; 1 where nothing can be kept.

    2 after one line for what a person can mend.
    """
    from django.conf import settings

    from host.certificates.kept import CertificateOrder, KeptCertificate

    try:
        names = tuple(settings.DOMAIN)
        if not names:
            raise Unusable("DOMAIN: no name is set, so there is no certificate to get")
    except Exception as error:
        return exit_code_of(error)
    from host.certificates.authority import CertificateAuthority
    from host.certificates.renewing import look_after

    order, kept = CertificateOrder(settings.LIVE_ACME_DIRECTORY, names), KeptCertificate(settings.DATA_DIR)
    agent = f"liveplatform/{settings.VERSION}"
    authority = CertificateAuthority(
        order, kept, email=settings.LIVE_ACME_EMAIL, trust=settings.LIVE_ACME_CA, agent=agent
    )
    try:
        look_after(order, kept, authority, say=print)
    except OSError as error:
        print(f"the certificate cannot be kept in {kept.folder}: {error.strerror or error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
