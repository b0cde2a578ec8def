"""Router of the dashboard: page config, navigation, sidebar, run the page. Start it with `make run`."""
import streamlit as st

from pages.parts import frame, state

st.set_page_config(page_title="GAN Dissection", page_icon=":material/biotech:", layout="wide")
page = frame.route()
place = frame.sidebar()
page.run()
frame.device_line(place)
state.warm()
