"""A path ends at a given certificate and goes up through authorities only, however the pool is arranged."""

from __future__ import annotations

import pytest

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.x509_path import expiry_note, find_path, issues, load_anchor_certificates, subject_of
from tests.secure_boot import NOW, Identity

ROOT = Identity("root", is_authority=True)
MIDDLE = Identity("middle", ROOT, is_authority=True)
LEAF = Identity("leaf", MIDDLE)
PLAIN = Identity("plain", ROOT)


def certificates(*identities):
    return [one.certificate for one in identities]


def test_a_path_is_found_whatever_the_order_of_the_pool():
    for pool in ((MIDDLE, ROOT), (ROOT, MIDDLE), (LEAF, PLAIN, MIDDLE, MIDDLE)):
        path = find_path(LEAF.certificate, certificates(*pool), certificates(ROOT))
        assert path == tuple(certificates(LEAF, MIDDLE, ROOT))


def test_a_path_stops_at_the_first_anchor():
    assert find_path(LEAF.certificate, certificates(MIDDLE), certificates(ROOT, LEAF)) == (LEAF.certificate,)


def test_a_certificate_that_is_no_authority_issues_nothing():
    below = Identity("below", PLAIN)
    assert not issues(PLAIN.certificate, below.certificate)
    with pytest.raises(TrustError, match="no given certificate"):
        find_path(below.certificate, certificates(PLAIN), certificates(ROOT))


def test_certificates_that_issue_each_other_end():
    authorities = [Identity(f"a{number}", ROOT, is_authority=True) for number in range(20)]
    with pytest.raises(TrustError):
        find_path(
            LEAF.certificate, certificates(MIDDLE, *authorities), certificates(Identity("else", is_authority=True))
        )


def test_several_certificates_in_one_file_are_all_loaded():
    assert load_anchor_certificates(ROOT.pem + MIDDLE.pem) == tuple(certificates(ROOT, MIDDLE))
    assert load_anchor_certificates(ROOT.der) == tuple(certificates(ROOT))
    with pytest.raises(FormatError):
        load_anchor_certificates(ROOT.der[:-5])


def test_dates_are_named():
    assert expiry_note(certificates(LEAF), NOW) == ""
    assert "CN=short was valid from" in expiry_note(certificates(Identity("short", days=1)), NOW)
    assert subject_of(LEAF.certificate) == "CN=leaf"
