"""What the page says of a command."""

from local.page.commands import in_fields


def test_a_message_names_the_pages_fields_in_place_of_options() -> None:
    assert in_fields("history needs --key; name it: with --where siteId=..., or") == (
        "history needs “Key”; name it: with “siteId”, or"
    )
    assert in_fields("more with --keys or --max-rows, -- key") == (
        "more with --keys or --max-rows, -- key"
    )
