// Camera and microphone of this browser, and why one of them cannot be had, in one sentence.
import { _ } from '../words.js';

const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
const PICTURE = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 15, max: 30 } };

/** A device cannot be had; the message is for the person at the page. */
export class DeviceError extends Error {}

/** Open what is asked for; raises DeviceError. */
export async function openDevices({ sound = false, picture = false }) {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    throw new DeviceError(_('浏览器只在加密网址（https）上允许使用麦克风和摄像头；请改用 https 网址打开本页。'));
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: sound ? SOUND : false, video: picture ? PICTURE : false });
  } catch (error) {
    throw new DeviceError(reasonOf(error, sound, picture));
  }
}

function reasonOf(error, sound, picture) {
  const device = sound && picture ? _('麦克风或摄像头') : picture ? _('摄像头') : _('麦克风');
  if (error.name === 'NotAllowedError') return _('%(device)s未获准使用；请在浏览器地址栏的锁形图标处允许，然后再试。', { device });
  if (error.name === 'NotFoundError' || error.name === 'OverconstrainedError') return _('没有找到%(device)s；请接好设备后再试。', { device });
  if (error.name === 'NotReadableError' || error.name === 'AbortError') return _('%(device)s被其他程序占用或出了故障；请关闭占用它的程序后再试。', { device });
  return _('%(device)s无法打开（%(error)s）。', { device, error: error.name });
}

export function closeStream(stream) { for (const track of stream?.getTracks() ?? []) track.stop(); }
