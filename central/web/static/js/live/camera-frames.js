// Pictures of a camera one by one, by whichever way this browser has.

/** VideoFrames of `track`; who takes one closes it. `video` shows the same track. Ends with the track. */
export async function* framesOf(track, video) {
  if (typeof MediaStreamTrackProcessor === 'undefined') { yield* paintedFrames(track, video); return; }
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally { reader.cancel().catch(() => {}); }
}

/** Elsewhere than in Chromium: what the preview has painted; nothing comes while the page is out of sight. */
async function* paintedFrames(track, video) {
  while (track.readyState === 'live') {
    const painted = await new Promise((resolve) => {
      video.requestVideoFrameCallback((_now, about) => resolve(about));
      track.addEventListener('ended', () => resolve(null), { once: true });
    });
    if (painted) yield new VideoFrame(video, { timestamp: Math.round(painted.mediaTime * 1e6) });
  }
}
