"""Runs uvicorn so that it cuts no connection that it has accepted.

uvicorn alone, asked to end, closes at once what it has accepted and not read
yet. This stops accepting, lets what is there arrive, and then does the same.
"""

import asyncio

import uvicorn


class Server(uvicorn.Server):
    async def shutdown(self, sockets=None):
        for server in self.servers:
            server.close()
        await asyncio.sleep(0.5)
        await super().shutdown(sockets=sockets)


if __name__ == "__main__":
    config = uvicorn.Config("shop.asgi:application", fd=3, lifespan="off", access_log=False)
    Server(config).run()
