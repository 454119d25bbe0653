"""The packager: fragments of MP4 in; parts, segments and playlists of low-latency HLS out.

Called by the process that runs an encoder, one packager for each video; calls `output`. Each fragment is a part, and is
listed as it comes. A segment begins at a keyframe when the one before it has lasted long enough, and where time jumps
or another encoder begins. The first segment, there too, has one part only: then waiting players can begin. They need
a whole segment to know the times of what follows.
Names never come again: `<run>-init.mp4`, `<run>_<part>.m4s` and `<run>-<media sequence number>.m4s`, after the prefix
of a rendition. A run is the time in ms from which an encoder was expected. Parts are counted through a run, so that the
name of the next one is known before it is known whose segment it will be in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ingest.packager.boxes import Box, BoxReader, MalformedBox
from ingest.packager.durations import Durations
from ingest.packager.fragments import Timing, read_timing
from ingest.packager.master import Master, Variant
from ingest.packager.movie import Movie, read_movie
from ingest.packager.output import Output
from ingest.packager.playlist import Part
from ingest.packager.timeline import Timeline
from web.store import MediaStore

logger = logging.getLogger(__name__)

SEGMENT_MAX_BYTES = 64 * 1024 * 1024
"""What is held in memory of a segment."""
# A keyframe may come a little early for its interval: encoders round their times to milliseconds.
_EARLY_SECONDS = 0.1
# So long the sound that comes before the first keyframe is left out: a recording would begin without a picture.
_SOUND_ALONE_SECONDS = 2.0
# TARGETDURATION is compared with rounded durations.
_ROUNDING_SECONDS = 0.4


class _Run:
    """What one encoder sends, from its head on."""

    def __init__(self, name: str, head: bytes, movie: Movie) -> None:
        self.head = head
        self.movie = movie
        self.init = f"{name}-init.mp4"
        self.has_init = False
        self.variant = Variant(movie)
        self.has_said_rare = False
        self._name = name
        self._parts = 0
        self._came_from: float | None = None

    @property
    def part(self) -> str:
        """The name of the part that comes next."""
        return _part_name(self._name, self._parts)

    def count(self) -> None:
        self._parts += 1

    def waits_for_picture(self, timing: Timing) -> bool:
        """Whether the fragment is sound before the first keyframe. One that does not come soon is not waited for."""
        if self.has_init or self.movie.video is None or timing.independent:
            return False
        if self._came_from is None:
            self._came_from = timing.start
        return timing.end - self._came_from <= _SOUND_ALONE_SECONDS


def _part_name(run: str, index: int) -> str:
    return f"{run}_{index}.m4s"


class Packager:
    """Packages one video. Methods raise StoreFull, and can be called again after it: only that fragment is lost.

    `clock` is the time of day in seconds; `report` is given in words what the broadcaster should know. Renditions of
    one video have a `prefix` each, and the same `master`.
    """

    def __init__(
        self,
        store: MediaStore,
        *,
        clock: Callable[[], float] = time.time,
        durations: Durations | None = None,
        recording: bool = False,
        report: Callable[[str], None] = logger.warning,
        prefix: str = "",
        master: Master | None = None,
    ) -> None:
        self.movie: Movie | None = None
        """The codecs and size of the picture that comes; nothing before its encoder has said so."""
        self._clock = clock
        self._durations = durations or Durations()
        self._report = report
        self._prefix = prefix
        self._output = Output(store, self._durations, recording=recording, prefix=prefix)
        self._master = master or Master(store)
        self._timeline = Timeline()
        self._boxes = BoxReader()
        self._type = b""
        self._moof: Box | None = None
        self._run: _Run | None = None
        self._name = self._new_name()

    @property
    def playlist(self) -> str:
        """The name of its live playlist."""
        return self._output.playlist

    @property
    def report_line(self) -> str:
        """How far its live playlist is, for those of other renditions."""
        return self._output.report_line

    def join(self, others: Callable[[], str]) -> None:
        """Have the live playlist say how far others are."""
        self._output.others = others

    @property
    def has_begun(self) -> bool:
        """Whether players get what this encoder sends."""
        return self._run is not None and self._run.has_init

    def feed(self, data: bytes) -> None:
        """Take what an encoder sent, in any pieces. Raises MalformedBox for what is no MP4 in fragments."""
        arrived_at = self._clock()
        for box in self._boxes.feed(data):
            match box.kind:
                case "ftyp":
                    self._type = box.data
                case "moov":
                    self._begin(box)
                case "moof":
                    self._moof = box
                case "mdat":
                    self._add(box, arrived_at)

    def discontinue(self) -> None:
        """Expect another encoder: what comes next does not go on from what came before."""
        self._boxes.clear()
        self._turn()
        self._output.close()
        self._output.expect(_part_name(self._name, 0))
        self._output.publish()

    def record(self) -> None:
        """Record what comes from now on."""
        self._output.recording.on = True

    def stop_recording(self) -> None:
        """Record nothing more; what is recorded stays."""
        self._output.recording.on = False

    def let_go(self, names: frozenset[str]) -> None:
        """Say which recorded files are kept elsewhere too."""
        self._output.recording.let_go(names)

    def make_room(self) -> None:
        """Give up the older half of what players can go back to. Call it when the store is full."""
        self._output.make_room()

    def end(self) -> None:
        """End the broadcast: the live playlist says so, and the replay is there."""
        self._output.end()

    def sweep(self) -> None:
        """Delete the files that players may still have asked for at the end. Call it a minute later."""
        self._output.sweep()

    def _new_name(self) -> str:
        return f"{self._prefix}{self._output.new_run(int(self._clock() * 1000))}"

    def _turn(self) -> None:
        """Let go of an encoder."""
        self._run = self.movie = self._moof = None
        self._name = self._new_name()
        self._timeline.restart()
        self._output.interrupt()

    def _begin(self, moov: Box) -> None:
        movie = read_movie(moov)
        if self._run is not None:
            self._turn()
        self._run = _Run(self._name, self._type + moov.data, movie)
        self.movie = movie

    def _add(self, mdat: Box, arrived_at: float) -> None:
        run, moof, self._moof = self._run, self._moof, None
        if run is None or moof is None:
            raise MalformedBox("Media came without a head.")
        timing = read_timing(moof, run.movie)
        if timing.end - timing.start > self._durations.segment_max:
            seconds = timing.end - timing.start
            raise MalformedBox(f"A fragment lasts {seconds:.1f} s; the limit is {self._durations.segment_max:g}.")
        if run.waits_for_picture(timing):
            return
        data = moof.data + mdat.data
        if self._timeline.jumps(timing):
            self._close()
            self._timeline.restart()
            self._output.interrupt()
        elif self._must_cut(run, timing, len(data)):
            self._close()
        self._list(run, timing, data, arrived_at)
        if not self._output.is_empty:
            self._master.put(self._output.playlist, run.variant.text)
        self._output.publish()

    def _must_cut(self, run: _Run, timing: Timing, size: int) -> bool:
        """Whether another segment begins with the fragment."""
        growing = self._output.growing
        if growing is None:
            return False
        if growing.init != run.init or self._output.is_empty or growing.discontinuity:
            return True
        if timing.independent and not growing.parts[0].independent:
            return True
        if timing.independent and growing.duration >= self._durations.segment - _EARLY_SECONDS:
            return True
        duration = growing.duration + self._timeline.duration(timing)
        if duration > self._durations.segment_max + _ROUNDING_SECONDS:
            self._report_rare(run)
            return True
        return self._output.growing_bytes + size > SEGMENT_MAX_BYTES

    def _close(self) -> None:
        closed = self._output.close()
        if closed is not None and self._run is not None:
            size, seconds = closed
            self._run.variant.measure(size, seconds)

    def _list(self, run: _Run, timing: Timing, data: bytes, arrived_at: float) -> None:
        """Write the fragment as a part, and list it."""
        if not run.has_init:
            self._output.write(run.init, run.head)
            run.has_init = True
        name = run.part
        self._output.write(name, data)
        if self._output.growing is None:
            started_at = self._timeline.begin_segment(timing, arrived_at=arrived_at)
            self._output.begin(
                init=run.init,
                started_at_ms=round(started_at * 1000),
                first_part_seconds=self._timeline.duration(timing),
            )
        duration = self._timeline.advance(timing, arrived_at=arrived_at)
        run.count()
        self._output.add(Part(name, duration, timing.independent), data, next_part=run.part)

    def _report_rare(self, run: _Run) -> None:
        if not run.has_said_rare:
            run.has_said_rare = True
            self._report(
                f"Keyframes come more than {self._durations.segment_max:g} s apart, so viewers wait for their first"
                f" picture. Set the encoder's keyframe interval to {self._durations.segment:g} s."
            )
