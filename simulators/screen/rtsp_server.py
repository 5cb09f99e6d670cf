"""Serves raw pictures from standard input over RTSP, by GStreamer's own server; for the system's Python, with its gi.

    rtsp_server.py WIDTH HEIGHT FPS PORT [USER PASSWORD] < BGR pictures

The port (0: a free one) is printed once it listens. Needs Debian's python3-gi, gir1.2-gst-rtsp-server-1.0 and
gstreamer1.0-plugins-ugly (x264).
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402  # the versions come first

PIPELINE = (
    "( appsrc name=source is-live=true do-timestamp=true format=time block=false max-buffers=2 leaky-type=downstream"
    " caps=video/x-raw,format=BGR,width={width},height={height},framerate={fps}/1"
    " ! videoconvert ! video/x-raw,format=I420"
    " ! x264enc tune=zerolatency speed-preset=superfast bitrate=6000 key-int-max={fps}"
    " ! rtph264pay name=pay0 pt=96 )"
)


def guard(server, factory, user: str, password: str) -> None:
    """Let in only who knows the password (basic authentication)."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def main() -> None:
    width, height, fps, port = (int(text) for text in sys.argv[1:5])
    Gst.init(None)
    sources = []
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=str(port))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(width=width, height=height, fps=fps))
    factory.set_shared(True)
    factory.connect("media-configure", lambda _, media: sources.append(media.get_element().get_by_name("source")))
    if sys.argv[5:]:
        guard(server, factory, *sys.argv[5:7])
    server.get_mount_points().add_factory("/screen", factory)
    if not server.attach(None):
        raise SystemExit(f"port {port} is taken")
    loop = GLib.MainLoop()

    def feed() -> None:
        size = width * height * 3
        while len(picture := sys.stdin.buffer.read(size)) == size:
            if sources:
                sources[-1].emit("push-buffer", Gst.Buffer.new_wrapped(picture))
        loop.quit()

    threading.Thread(target=feed, daemon=True).start()
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main()
