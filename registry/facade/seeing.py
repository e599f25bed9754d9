"""What the registry itself knows to be wrong: `Registry.problems` and `Registry.doctor`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from registry.facade.checking import checked
from registry.facade.context import Context, log
from registry.facade.given import ignore, optional_path
from registry.services.problems.kinds import KindName

if TYPE_CHECKING:
    from registry.services.doctor import Finding
    from registry.services.metrics.collector import RegistryCollector
    from registry.services.problems.kinds import Problem
    from registry.services.problems.outside import Files


class FilesBeside(TypedDict, total=False):
    """Files that tell what the database does not know."""

    bookmarks: Sequence[Path | str]
    """Files of consumers of the log, which are a problem if they lag."""
    checkpoints: Path | str | None
    """Signed checkpoints; by default the last one that was signed here is known."""


@checked
class Seeing:
    """A part of `Registry`: what is wrong, or soon will be."""

    _context: Context

    def problems(
        self,
        account: str | None = None,
        *,
        kind: KindName | None = None,
        **files: Unpack[FilesBeside],
    ) -> "list[Problem]":
        """What is wrong or soon will be, the worst first, each with what to do as its `hint`.

        An auditor's login is enough.
        """
        from registry.services.problems.finding import problems

        return problems(self._context, account, kind=kind, files=files_of(**files))

    def metrics(self, *, most: int | None = None, **files: Unpack[FilesBeside]) -> str:
        """The registry's figures in the text format of Prometheus; see `metrics_collector`.

        If the database cannot be read, it raises nothing: account_registry_up is 0.
        """
        from registry.services.metrics.collector import text_of

        return text_of(self.metrics_collector(most=most, **files))

    def metrics_collector(
        self, *, most: int | None = None, **files: Unpack[FilesBeside]
    ) -> "RegistryCollector":
        """A custom collector, for a program that has a registry of prometheus_client already.

        It needs the package prometheus_client. A metric has at most `most` series, and counts
        those beyond. What was read a moment ago is not read again.
        """
        from registry.services.metrics.collector import MOST_SERIES, RegistryCollector
        from registry.services.metrics.figures import Reader

        reader = Reader(self._context.target, files_of(**files))
        return RegistryCollector(reader.read, MOST_SERIES if most is None else most)

    def serve_metrics(
        self,
        listen: str,
        *,
        any_address: bool = False,
        ready: Callable[[str], None] = ignore,
        most: int | None = None,
        **files: Unpack[FilesBeside],
    ) -> None:
        """Serves the metrics over HTTP at an address such as 127.0.0.1:9187, and does not return.

        InvalidInput for an address that other machines could reach, unless `any_address`.
        """
        # The collector first: it says which package is missing.
        collector = self.metrics_collector(most=most, **files)
        from registry.services.metrics.serving import serve

        serve(collector, listen, any_address=any_address, ready=ready)

    def doctor(
        self,
        notice: Callable[[str], None] = log.warning,
        *,
        quick: bool = False,
        full: bool = False,
    ) -> "list[Finding]":
        """Checks how the registry is set up, the log and the tables; includes all `problems`.

        `quick` leaves out what reads the whole log; `full` reads it however long it is.
        """
        from registry.services.doctor import examine

        context = self._context
        return list(examine(context.target, notice, context.own_keyring, quick=quick, full=full))


def files_of(
    bookmarks: Sequence[Path | str] = (), checkpoints: Path | str | None = None
) -> "Files":
    """The files as the services take them."""
    from registry.services.problems.outside import Files

    return Files([Path(one) for one in bookmarks], optional_path(checkpoints))
