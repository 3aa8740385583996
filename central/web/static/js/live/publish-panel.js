// A person's own camera on the page: begins by consent, says whether anybody looks, ends by one press.
import { _ } from '../words.js';
import { DeviceError } from './devices.js';
import { markState } from './state-mark.js';
import { Publisher } from './publish.js';

export class PublishPanel {
  constructor(box) {
    this.box = box;
    this.part = (name) => box.querySelector(`[data-part=${name}]`);
    this.part('start').addEventListener('click', () => this.start());
    this.part('stop').addEventListener('click', () => this.publisher.stop());
    addEventListener('pagehide', () => this.publisher?.stop());
    setInterval(() => this.showDetail(), 1000);
    this.part('start').hidden = false;
    box.dataset.ready = 'yes';
  }

  async start() {
    const { url, session } = this.box.dataset;
    this.publisher?.stop();
    const publisher = new Publisher({
      address: `${url}/live/publish/${session}`, video: this.part('preview'),
      onChange: () => { if (publisher === this.publisher) this.show(); },
    });
    this.publisher = publisher;
    this.part('start').disabled = true;
    try {
      await publisher.start();
    } catch (error) {
      publisher.stop(error instanceof DeviceError ? error.message : _('摄像头无法开启（%(error)s）。', { error: error.message }));
    }
    this.part('start').disabled = false;
  }

  show() {
    const { publisher } = this, isOn = publisher.state !== 'away' && publisher.state !== 'over';
    this.box.dataset.state = publisher.state;
    this.box.dataset.wanted = publisher.isWanted ? 'yes' : 'no';
    this.part('start').hidden = isOn;
    this.part('stop').hidden = !isOn;
    markState(this.part('state'), publisher.state, publisher.words);
    this.part('told').textContent = publisher.state !== 'open' ? ''
      : publisher.isWanted ? _('有人正在观看您的画面') : _('暂时无人观看，没有传送画面');
    this.showDetail();
  }

  showDetail() {
    const { publisher } = this;
    if (!publisher) return;
    this.box.dataset.sent = publisher.sent;
    this.part('detail').textContent = publisher.isWanted
      ? _('%(codec)s，%(kbps)s kbit/s', { codec: publisher.codec, kbps: Math.round(publisher.bps / 1000) }) : '';
  }
}

const box = document.getElementById('publish-panel');
export const panel = box ? new PublishPanel(box) : null;
