"""`python -m conformance.everything [--port N] [--era both|legacy|modern]`; no port: stdio."""

import argparse
import asyncio

import uvicorn
from conformance.everything.eras import Era, OneEra, held_to
from conformance.everything.events import Events
from conformance.everything.server import Everything
from mcp.server.stdio import stdio_server


async def over_stdio(everything: Everything, era: Era) -> None:
    server = everything.server
    async with stdio_server() as (read, write), held_to(era, read, write) as heard:
        await server.run(heard, write, server.create_initialization_options())


def over_http(everything: Everything, port: int, era: Era) -> None:
    app = everything.server.streamable_http_app(
        host="127.0.0.1", event_store=Events(), retry_interval=500
    )
    wrapped = app if era == "both" else OneEra(app, era)
    # h11 trims the white space around a header's value, as the suite wants; httptools does not.
    uvicorn.run(wrapped, host="127.0.0.1", port=port, log_level="warning", http="h11")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="conformance.everything")
    parser.add_argument("--port", type=int)
    parser.add_argument("--era", choices=["both", "legacy", "modern"], default="both")
    options = parser.parse_args(words)
    everything = Everything()
    if options.port is None:
        asyncio.run(over_stdio(everything, options.era))
    else:
        over_http(everything, options.port, options.era)


if __name__ == "__main__":
    main()
