/** Prints which WebRTC library this process can load; run by a test without the right to load native code. */
import { loadWebRtcLibrary } from "../../platform/webrtc_library.ts";

console.log((await loadWebRtcLibrary()).name);
