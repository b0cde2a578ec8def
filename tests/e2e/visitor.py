"""A visitor without a browser: one websocket, one session, the app's own protocol. Many of them fit on a small machine."""
from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import numpy as np
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

WAIT = 120.0


class Visitor:
    """Opens a page and keeps the newest state of every component on it, by the end of its key."""

    def __init__(self, address: str, page: str, **query: str) -> None:
        self.components: dict[str, tuple[str, Any]] = {}
        self.came: dict[str, float] = {}  # when each component last got its data, by its id
        self.texts: list[str] = []
        self.page, self.query = page, urlencode(query)
        self._open = ExitStack()
        self._socket: ClientConnection = self._open.enter_context(connect(
            address.replace("http", "ws") + "/_stcore/stream", subprotocols=[Subprotocol("streamlit")], max_size=64 * 2**20,
            open_timeout=WAIT))
        self.rerun()

    def rerun(self, **component_values: Any) -> None:
        """Runs the page's script; `component_values` are what components send, by the key's end, as JSON values."""
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_name = self.page
        for key, value in component_values.items():
            state = message.rerun_script.widget_states.widgets.add()
            state.id = self._find(key)[0]
            state.json_value = json.dumps(value)
        self.texts.clear()
        self._socket.send(message.SerializeToString())
        self._read()

    def picture(self, key: str = "paint_result", side: str = "after") -> np.ndarray:
        """A picture of the before/after component: uint8 RGB."""
        data = self._find(key)[1][side].split(",", 1)[1]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def data(self, key: str) -> Any:
        """What the page last gave a component, by the end of its key."""
        return self._find(key)[1]

    def close(self) -> None:
        self._open.close()

    def _find(self, key: str) -> tuple[str, Any]:
        return next(v for k, v in self.components.items() if k.endswith(key))

    def _read(self) -> None:
        """Until a run of the script ends of itself; a run that was cut short for a rerun is followed by another."""
        while True:
            raw = self._socket.recv(timeout=WAIT)
            assert isinstance(raw, bytes)
            message = ForwardMsg.FromString(raw)
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._keep(message.delta.new_element)
            elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return

    def _keep(self, element: Any) -> None:
        what = element.WhichOneof("type")
        if what == "bidi_component":
            component = element.bidi_component
            data = json.loads(component.json) if component.WhichOneof("data") == "json" else None
            self.components[component.id] = (component.id, data)
            self.came[component.id] = time.perf_counter()
        elif what == "alert":
            self.texts.append(element.alert.body)
        elif what == "exception":
            self.texts.append(f"{element.exception.type}: {element.exception.message}")


def digest(image: np.ndarray) -> str:
    """Short hash of a picture."""
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]
