"""`Registry.backups`: whether a backup restores to what it is of."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from registry.facade.checking import checked
from registry.facade.context import Part
from registry.facade.given import ignore, optional_path

if TYPE_CHECKING:
    from registry.services.backups.drill import RestoreStep


@checked
class Backups(Part):
    """Backups of the database."""

    def drill(
        self,
        *,
        dump: Path | str | None = None,
        into: str | None = None,
        against: Path | str | None = None,
        key: str | None = None,
        without_keys: bool = False,
        tell: Callable[["RestoreStep"], None] = ignore,
    ) -> "list[RestoreStep]":
        """Restores a backup elsewhere and examines it; `failures` of a step lists each fault.

        The backup is a new one, or the file `dump`. It is restored into a PostgreSQL of its own,
        or into the empty database at the address `into`, which is emptied again. `against` and
        `key` are those of `Registry.verify`. `tell` is called after each step.
        """
        from registry.services.audit.checkpoints import known_checkpoints
        from registry.services.backups.drill import RestorePlan, RestoreStep, rehearse_restore

        plan = RestorePlan(
            dump=optional_path(dump),
            into=into,
            against=known_checkpoints(optional_path(against), key),
            keyring=None if without_keys else self._context.keyring(),
        )
        steps: list[RestoreStep] = []

        def told(step: RestoreStep) -> None:
            steps.append(step)
            tell(step)

        rehearse_restore(self._context.target, plan, told)
        return steps
