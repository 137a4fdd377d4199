"""The addresses of the Django shop."""

from django.contrib import admin
from django.urls import path

from example_project.shop_django import views

urlpatterns = [
    path("", views.product),
    path("buy", views.buy),
    path("admin/", admin.site.urls),
]
