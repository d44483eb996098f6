import asyncio
import os
import subprocess
import sys

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse


def sync(request):
    """Names the request, and how much of a body came."""
    return HttpResponse(f"sync {request.GET.get('id')} {len(request.body)}\n")


async def asynchronous(request):
    await asyncio.sleep(0.005)
    return HttpResponse(f"async {request.GET.get('id')} {len(request.body)}\n")


def stream(request):
    """Ten chunks, of which the last names the request."""
    name = request.GET.get("id")
    return StreamingHttpResponse(f"chunk {n} of {name}\n" for n in range(10))


def info(request):
    return JsonResponse({"pid": os.getpid(), "environ": dict(os.environ)})


def say(request):
    print(request.GET["text"], flush=True)
    print(request.GET["text"], file=sys.stderr, flush=True)
    return HttpResponse("said\n")


def child(request):
    """A process that outlives the request, and would outlive the server."""
    return HttpResponse(str(subprocess.Popen(["sleep", "300"]).pid))
