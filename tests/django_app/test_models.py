"""The model without a table: migrations, permissions, and what it must not disturb."""

from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection

from django_breaker.models import Breaker

if TYPE_CHECKING:
    from pytest_django.fixtures import DjangoAssertNumQueries


@pytest.mark.django_db
def test_makemigrations_finds_nothing_to_do() -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


@pytest.mark.django_db
def test_migrate_makes_permissions_and_no_table() -> None:
    names = Permission.objects.filter(content_type__app_label="django_breaker")
    assert set(names.values_list("codename", flat=True)) == {"view_breaker", "reset_breaker"}
    assert "django_breaker_breaker" not in connection.introspection.table_names()


@pytest.mark.django_db
@pytest.mark.parametrize("all_rows", [True, False])
def test_dumpdata_works_for_the_whole_project(all_rows: bool) -> None:
    out = StringIO()
    call_command("dumpdata", use_base_manager=all_rows, stdout=out)
    assert "django_breaker.breaker" not in {each["model"] for each in json.loads(out.getvalue())}


@pytest.mark.django_db
def test_queries_give_nothing_and_ask_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(0):
        assert list(Breaker.objects.all()) == []
        assert Breaker._base_manager.count() == 0


@pytest.mark.django_db
def test_the_content_type_exists() -> None:
    assert ContentType.objects.get_for_model(Breaker).app_label == "django_breaker"
