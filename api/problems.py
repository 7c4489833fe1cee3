"""What is wrong with the parts that turns need to run, but not to be accepted."""

from api.runtime import ApiRuntime
from shared.redis_failures import MEANINGS
from shared.redis_outages import Part, outages
from shared.stream import trial
from shared.stream.keys import Keys


async def problems(runtime: ApiRuntime) -> list[str]:
    """One sentence for each, with what to do; of a broker of its own, what this process met when it last sent to it."""
    settings = runtime.settings
    failure = await trial.failure_async(runtime.redis, Keys(settings.key_prefix))
    redis = [f"{Part.REDIS} {MEANINGS[failure]}"] if failure else []
    return redis + (outages.problems(Part.BROKER) if settings.broker != settings.redis else [])
