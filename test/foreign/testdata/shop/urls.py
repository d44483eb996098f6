from django.urls import path

from shop import views

urlpatterns = [
    path("sync/", views.sync),
    path("async/", views.asynchronous),
    path("stream/", views.stream),
    path("info/", views.info),
    path("say/", views.say),
    path("child/", views.child),
]
