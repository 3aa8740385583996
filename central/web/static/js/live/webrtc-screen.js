// Shows a stream that comes by WebRTC from the gateway: the browser decodes, the relay only passes offer and answer.
const CONNECT_MS = 8000;

export class WebRtcScreen {
  /** `onPaint()` after each painted picture; `onAnswer(sdp)` for the relay; `onTrouble(words)` when this way does not work. */
  constructor({ onPaint, onAnswer, onTrouble }) {
    Object.assign(this, { onPaint, onAnswer, onTrouble });
    this.element = document.createElement('video');
    Object.assign(this.element, { muted: true, playsInline: true, autoplay: true, disablePictureInPicture: true });
  }

  /** Answer an offer of the gateway; candidates go along, so that none need be sent afterwards. */
  async take(sdp) {
    const peer = new RTCPeerConnection();
    this.peer = peer;
    this.limit = setTimeout(() => this.fail('no connection'), CONNECT_MS);
    peer.ontrack = ({ track }) => { this.element.srcObject = new MediaStream([track]); this.watchPaints(); };
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === 'connected') clearTimeout(this.limit);
      else if (peer.connectionState === 'failed') this.fail('connection failed');
    };
    try {
      await peer.setRemoteDescription({ type: 'offer', sdp });
      await peer.setLocalDescription(await peer.createAnswer());
      await gather(peer);
      if (peer === this.peer) this.onAnswer(peer.localDescription.sdp);
    } catch (error) { this.fail(error.message); }
  }

  watchPaints() {
    const video = this.element;
    const painted = () => { if (this.peer) { this.onPaint(); video.requestVideoFrameCallback(painted); } };
    video.requestVideoFrameCallback(painted);
  }

  fail(words) { if (this.peer) { this.close(); this.onTrouble(words); } }

  close() {
    clearTimeout(this.limit);
    const peer = this.peer;
    this.peer = null;
    peer?.close();
    this.element.srcObject = null;
  }
}

function gather(peer) {
  if (peer.iceGatheringState === 'complete') return Promise.resolve();
  return new Promise((done) => {
    peer.addEventListener('icegatheringstatechange', () => { if (peer.iceGatheringState === 'complete') done(); });
    setTimeout(done, 1000);
  });
}
