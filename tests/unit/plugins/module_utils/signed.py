"""A certificate, and what the kernel's sign-file appended to a module with its key; the key was thrown away."""

from __future__ import annotations

import base64

from ansible_collections.gpuforge.node.plugins.module_utils._module_signature import Signature

#: As openssl and kmod 30 print them.
SIGNER = Signature("gpuforge module signing", "54:D6:EC:E6:F5:EC:05:0E:65:CC:D5:3E:AF:5E:27:43:37:FA:FD:14")

#: X.509, DER.
CERTIFICATE = base64.b64decode(
    "MIIDNDCCAhygAwIBAgIUVNbs5vXsBQ5lzNU+r14nQzf6/RQwDQYJKoZIhvcNAQELBQAwIjEgMB4GA1UEAwwXZ3B1Zm9yZ2UgbW9kdWxlIHNpZ2"
    "5pbmcwIBcNMjYxMTIyMTc1MjMyWhgPMjEyNjEwMjkxNzUyMzJaMCIxIDAeBgNVBAMMF2dwdWZvcmdlIG1vZHVsZSBzaWduaW5nMIIBIjANBgkq"
    "hkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtM7G/5MLQTz1Mh551FFiE2ea3akLV+IJHRsymgSsIrVvmSW5VRS9GIwb6bo1WeNr/nYJjrZg/OErtD"
    "BczTPiiq8kgQIlwBdspyxTCSTv4B+nAfgrBvkF47wETClFN40ONUY26m1us0kun3PHGgcPifhBxngD2DziOcwY+o75Esq5TnnyvQLDXvmhuxVg"
    "/OKb6o4t3Xpw3s9Z0fx26Kltt8L3k6gshasJVQUNkClaxW0f0SeYpwfX3pYYEZiQtcZ9J3royiEsLvM2ChSP0n7NY6+Uli+LtPOjB1NmCNTe24"
    "PfFS1MximA9Ut3rIFMpfHrrh5zlt1pdW53whnfpEyw/wIDAQABo2AwXjAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDAfBgNVHSUEGDAW"
    "BggrBgEFBQcDAwYKKwYBBAGSCBABAjAdBgNVHQ4EFgQUIiVTVNF8hv8WR5OKLbJo+OsT07owDQYJKoZIhvcNAQELBQADggEBAJOEd6wgoP0L6s"
    "v+WeBhbPY+p9aS7C2egfpJ4/he+IaCr5w9fs+oW6+Cx+uM/LOVvtZAEbdniBUJkOX4kdGld7dFD034GFLL+HHUR6l4xAlsufFTWI2ssFBM1nA9"
    "uB92bl/VOLWEXQUW9gcn0lnru/EVkiTkHBdlzeBTFtrb8wPMRSZoXSIrWlIW3NZibpcDKxo6oGLb7t0YNrXKhEV5Kgs1KAIQ2lpVJjLpV6iSMW"
    "c+FvwPlNi4FYbRLzls55RJ6kYCEadku+/C5xSnahbH7OphmBsIotgtCZM3PeKPoMT8vnDoVbmkOPl5/3O0yhFGjQEjefJ2ZtoFrC9apikZcpE="
)

#: The end of a signed module.
APPENDED = base64.b64decode(
    "MIIBmQYJKoZIhvcNAQcCoIIBijCCAYYCAQExDTALBglghkgBZQMEAgEwCwYJKoZIhvcNAQcBMYIBYzCCAV8CAQEwOjAiMSAwHgYDVQQDDBdncH"
    "Vmb3JnZSBtb2R1bGUgc2lnbmluZwIUVNbs5vXsBQ5lzNU+r14nQzf6/RQwCwYJYIZIAWUDBAIBMA0GCSqGSIb3DQEBAQUABIIBAJCS67+l5jDF"
    "J31zYe6SAJidRaQmlqt1rQEJa0PDW+FX3NazIZqPCRCv62eBGhr6zK/uniL6Di6VFHfyFQlvpqXJ8HJZ+FIDDlsU/7u42oFD+5qiS5YGaM8884"
    "JBQRJCzHg0tlPji/m8Cy37lVPGYiBbQiCD7b9tRvY6NXsmGeeBT0dUhDH9vBNYkTuoCK1UeEh81JGK82VLHEkBpEhWGwm+U7KSC9ANqs6UdPT+"
    "xMvPUTrvpI4u7ZgxaEqt0PjsVcpmQa/LHBfx3v4z7cDp99WBs+iSyA5CjpMu/1D5SwLfH36c5VseGWI05j5MxzHWEQAcWo7eNIesM9gcfkU76j"
    "gAAAIAAAAAAAAAAZ1+TW9kdWxlIHNpZ25hdHVyZSBhcHBlbmRlZH4K"
)
