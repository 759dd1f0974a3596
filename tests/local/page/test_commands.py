"""What the page says of a command."""

from local.page.commands import in_fields


def test_a_message_names_the_pages_fields_in_place_of_options() -> None:
    assert in_fields("history needs --key; narrow it with --site") == (
        "history needs “Key”; narrow it with “Site”"
    )
    assert in_fields("more with --sites or --max-rows, -- key") == (
        "more with --sites or --max-rows, -- key"
    )
