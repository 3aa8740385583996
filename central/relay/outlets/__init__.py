"""Where pictures leave for, and come from, systems that are not ours: RTSP, Janus (WebRTC), GB/T 28181 later."""
