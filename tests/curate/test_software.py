"""Which libraries made a version, and which are others now."""

from curate.software import LIBRARIES, changed_libraries, versions_of_libraries


def test_only_libraries_of_another_version_are_told():
    now = versions_of_libraries()
    assert set(now) == set(LIBRARIES)
    then = now | {"numpy": "0.1", "gone": "1.0"}
    assert changed_libraries(then) == {"numpy": ("0.1", now["numpy"]), "gone": ("1.0", "none")}
    assert changed_libraries(now) == {}
