"""Every page that shows a text of an instance."""

from django.contrib.auth.models import User
from django.test import Client


def pages(*addresses: str) -> str:
    client = Client()
    client.force_login(User.objects.get_or_create(username="ada", is_staff=True, is_superuser=True)[0])
    answers = [client.get(address) for address in addresses]
    assert [answer.status_code for answer in answers] == [200] * len(addresses)
    return "\n".join(answer.content.decode() for answer in answers)
