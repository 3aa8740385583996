// What a tile says of its picture: one condition at a time, the gravest first; always a word and an icon. Pure.
import { _ } from '../words.js';
import { CLOSE } from './wire.js';

export const STALE_MS = 2000;

/** Conditions after which nothing is tried again. */
export function endOf(code) {
  return { [CLOSE.ended]: 'ended', [CLOSE.refused]: 'refused', [CLOSE.unproven]: 'logged_out' }[code] ?? '';
}

/**
 * `facts`: link (idle, connecting, open, broken, over), end (a word of endOf), close (code of the last end),
 * state and reason (of the relay), note and kbps (of the source), trouble ('', unsupported, undecodable),
 * painted (whether a picture of this connection has been seen), frozen_ms, lag_ms.
 * Returns {code, icon, tone, words, isOld}; isOld: what is seen is no live picture.
 */
export function judge(facts) {
  const age_ms = facts.frozen_ms + facts.lag_ms;
  return findEnd(facts) ?? findBreak(facts) ?? findTrouble(facts) ?? findSilence(facts, age_ms) ?? findQuality(facts);
}

function say(code, icon, tone, words, isOld = true) { return { code, icon, tone, words, isOld }; }

function findEnd({ link, end, state, reason }) {
  if (end === 'refused') return say('refused', 'lock', 'bad', _('无权观看，或授权已被收回'));
  if (end === 'logged_out') return say('logged_out', 'key', 'bad', _('登录已失效，请重新登录'));
  if (end === 'ended' || state === 'ended') return say('ended', 'check-circle', 'off', reason || _('本次远程指挥已结束'));
  if (link === 'idle') return say('paused', 'pause', 'off', _('未显示，已停止取流'));
  return null;
}

function findBreak({ link, close, painted }) {
  if (link === 'connecting' && !painted) return say('connecting', 'waiting', 'info', _('正在连接'));
  if (link === 'open') return null;
  if (close === CLOSE.restarting) return say('broken', 'link-off', 'warn', _('中继正在重启，稍候自动恢复'));
  if (close === CLOSE.slow) return say('slow', 'link-off', 'warn', _('本机接收过慢，正在重新连接'));
  return say('broken', 'link-off', 'bad', _('与中继的连接中断，正在重连'));
}

function findTrouble({ trouble }) {
  if (trouble === 'unsupported') return say('unsupported', 'camera-off', 'bad', _('本浏览器无法播放这种画面'));
  if (trouble === 'undecodable') return say('undecodable', 'camera-off', 'bad', _('收到的画面数据无法解码'));
  return null;
}

const NOTES = {
  sos_first: () => say('sos_first', 'sos', 'warn', _('求助信息优先上传，画面暂停')),
  voice_first: () => say('voice_first', 'sound', 'warn', _('链路太窄，先保通话，画面暂停')),
  thin: () => say('thin', 'late', 'warn', _('链路太窄，暂无画面')),
  no_camera: () => say('no_camera', 'camera-off', 'bad', _('装备的摄像头没有画面')),
  no_key_frame: () => say('no_key_frame', 'camera-off', 'warn', _('画面缺少起始帧，正在索取')),
};

function findSilence({ state, note, reason, painted, frozen_ms }, age_ms) {
  const isSilent = !painted || state === 'waiting' || state === 'gone' || state === 'stale' || age_ms > STALE_MS;
  if (!isSilent) return null;
  if (state === 'gone') return say('gone', 'dark', 'bad', reason || _('装备的连接断开，等待恢复'));
  if (NOTES[note]) return NOTES[note]();
  if (!painted || state === 'waiting') return say('waiting', 'waiting', 'info', reason || _('已下令，等待装备送来画面'));
  if (age_ms <= STALE_MS && state !== 'stale') return null;
  const seconds = Math.max(1, Math.floor(age_ms / 1000));
  if (frozen_ms > STALE_MS || state === 'stale') return say('stale', 'stale', 'bad', _('画面停滞 %(n)s 秒', { n: seconds }));
  return say('late', 'stale', 'bad', _('画面滞后 %(n)s 秒', { n: seconds }));
}

function findQuality({ note, kbps, detour }) {
  if (detour) return say('live', 'live', 'warn', _('网关不可用（%(why)s），画面改为直连', { why: detour }), false);
  if (note === 'metered') return say('live', 'late', 'warn', _('计费链路 %(n)s kbit/s', { n: kbps }), false);
  if (note) return say('live', 'late', 'warn', _('链路窄 %(n)s kbit/s', { n: kbps }), false);
  return say('live', 'live', 'ok', _('实时'), false);
}
