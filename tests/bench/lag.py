# Part of mftd; see LICENSE.
"""How far a catalog is behind: what `mftctl status` says, held against the
journals' own times and what the catalog's marks say."""
import bisect
import collections
import dataclasses
import datetime
import json

LATE_S = 7      # the catalog process tells its state each 5 s


def now():
    """As records have it, so that they compare as text."""
    return stamp(datetime.datetime.now(datetime.timezone.utc))


def stamp(when):
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text):
    return datetime.datetime.strptime(
        text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)


@dataclasses.dataclass
class Sample:
    """What was to be seen at one moment."""
    phase: str
    at: str
    acknowledged: int
    said: dict              # status: catalog
    marks: dict             # {stream: seq} of the catalog
    memory: dict            # {pid: (kind, KiB resident, KiB of its own)}


def status(rig):
    return json.loads(rig.mftctl("-j", "status").stdout)["catalog"]


class Truth:
    """By all records there are, once all is over."""

    def __init__(self, records):
        self._times = collections.defaultdict(list)
        for r in records:       # those of a stream in order
            self._times[r["stream"]].append(r["time"])

    def behind(self, at, known):
        """(records, seconds) that what was written before `at` was behind."""
        count, oldest = 0, at
        for stream, times in self._times.items():
            mark = known.get(stream, 0)
            written = bisect.bisect_right(times, at)
            if written > mark:
                count += written - mark
                oldest = min(oldest, times[mark])
        return count, (moment(at) - moment(oldest)).total_seconds()

    def wrong(self, sample, previous):
        """What status said that was true at no moment of the last seconds:
        what it knew is at most LATE_S old, or of the sample before."""
        most, longest = self.behind(sample.at, previous.marks)
        earlier = stamp(moment(sample.at) - datetime.timedelta(seconds=LATE_S))
        least, _ = self.behind(earlier, sample.marks)
        _, shortest = self.behind(sample.at, sample.marks)
        records, seconds = (sample.said["lag_records"],
                            sample.said["lag_us"] / 1e6)
        if not least <= records <= most:
            yield (f"{records} records behind were said, "
                   f"{least} to {most} are true")
        if not shortest - LATE_S <= seconds <= longest + LATE_S:
            yield (f"{seconds:.1f} s behind were said, "
                   f"{shortest:.1f} to {longest:.1f} are true")
