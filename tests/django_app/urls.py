"""The addresses of the test site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from django_breaker.admin import BreakerAdmin
from django_breaker.models import Breaker
from tests.django_app import views

other_site = admin.AdminSite(name="other")
other_site.register(Breaker, BreakerAdmin)

urlpatterns = [
    path("admin/", admin.site.urls),
    path("other-admin/", other_site.urls),
    path("protected/", views.protected),
    path("protected-async/", views.protected_async),
    path("protected-with-fallback/", views.protected_with_fallback),
    path("protected-class/", views.ProtectedClass.as_view()),
    path("protected-async-class/", views.ProtectedAsyncClass.as_view()),
    path("calling/", views.calling),
    path("calling-async/", views.calling_async),
]
