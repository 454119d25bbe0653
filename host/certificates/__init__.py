"""The certificate of a site that says its name (DOMAIN): how it is got by ACME, kept and renewed.

`renewal` waits beside the site and starts `liveplatform.certificate` when there is something to do. That one decides
(`renewing`), asks an authority (`authority`), and keeps what it gets (`kept`). Nodes answer the authority's question
and take the new certificate by themselves (liveplatform.https, realtime.edge.certificates).
"""
