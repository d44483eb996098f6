"""/posts/ as a Django project has it, on the tables that the benchmark has filled."""

import json
import os

import django
from asgiref.sync import sync_to_async
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="only for the benchmark",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    # In 3.2 all that is thread-sensitive runs on one thread of a process, which
    # so keeps its connection.
    DATABASES={"default": {**json.loads(os.environ["BENCH_DATABASE"]), "CONN_MAX_AGE": None}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    LOGGING_CONFIG=None,
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.paginator import Paginator  # noqa: E402
from django.db import models  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402


class Author(models.Model):
    name = models.TextField()
    email = models.TextField(unique=True, null=True)

    class Meta:
        app_label, db_table, managed = "bench", "authors", False


class Post(models.Model):
    title = models.TextField()
    body = models.TextField()
    published = models.BooleanField()
    created_at = models.DateTimeField()
    author = models.ForeignKey(Author, models.CASCADE, null=True)

    class Meta:
        app_label, db_table, managed = "bench", "posts", False


# Django's own paginator, one query for the count and one for the rows. 3.2 has no
# "async for" over a query: the whole is one crossing. On any thread instead of the
# sensitive one it is slower.
@sync_to_async
def page_of(number):
    published = Post.objects.filter(published=True).only("title").order_by("-created_at", "-id")
    page = Paginator(published, 20).page(number)
    return {
        "posts": [{"id": p.id, "title": p.title} for p in page],
        "page": page.number,
        "pages": page.paginator.num_pages,
        "count": page.paginator.count,
        "previous": page.previous_page_number() if page.has_previous() else None,
        "next": page.next_page_number() if page.has_next() else None,
    }


async def posts(request):
    return JsonResponse(await page_of(request.GET.get("page", 1)))


def modern(request):
    return HttpResponse()


urlpatterns = [path("posts/", posts), path("modern/", modern)]
application = get_asgi_application()
