"""Router of the dashboard: page config, navigation, sidebar, run the page. Start it with `make run`."""
import streamlit as st

from pages.parts import frame, state

page = frame.route()
st.set_page_config(page_title=frame.tab_title(page), page_icon=str(frame.ICON), layout="wide")
frame.style()
place = frame.sidebar()
page.run()
frame.device_line(place)
state.warm()
