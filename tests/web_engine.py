"""Chromium out of Qt's package, for machines without the program: ``python web_engine.py PORT OPTIONS``.

One empty page without a screen, which listens on the loopback address for the DevTools protocol.
"""

from __future__ import annotations

import os
import sys


def main(port: int, options: list[str]) -> int:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ["QTWEBENGINE_REMOTE_DEBUGGING"] = f"127.0.0.1:{port}"  # the option would take no address
    from PySide6.QtCore import QUrl
    from PySide6.QtWebEngineCore import QWebEngineSettings
    from PySide6.QtWebEngineWidgets import QWebEngineView
    from PySide6.QtWidgets import QApplication

    app = QApplication([sys.argv[0], "--webEngineArgs", *options])  # Chromium reads its options there
    view = QWebEngineView()
    # As in the program: a page of a file may ask elsewhere, and a test sees that it does, or that it gets nothing.
    view.settings().setAttribute(QWebEngineSettings.WebAttribute.LocalContentCanAccessRemoteUrls, True)
    view.setUrl(QUrl("about:blank"))
    view.show()
    return int(app.exec())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
