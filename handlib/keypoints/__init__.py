"""2D keypoints from photographs: an off-the-shelf detector, and the file that stores what it found."""

from handlib.keypoints.detection import HandDetection, read_detections, write_detections
from handlib.keypoints.mediapipe_detector import detect_hands, detector_is_installed, detector_name, find_hands

__all__ = [
    "HandDetection",
    "detect_hands",
    "detector_is_installed",
    "detector_name",
    "find_hands",
    "read_detections",
    "write_detections",
]
