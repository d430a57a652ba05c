"""Packet codes and the attribute numbers that the protocol itself must understand.

Everything else about attributes (names, types, vendors) is data in `dictionaries`.
Plain integers rather than enums: they are compared once or more for every packet.
"""

from typing import Final

# Packet codes (RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3, RFC 5997 §3).
ACCESS_REQUEST: Final = 1
ACCESS_ACCEPT: Final = 2
ACCESS_REJECT: Final = 3
ACCOUNTING_REQUEST: Final = 4
ACCOUNTING_RESPONSE: Final = 5
ACCESS_CHALLENGE: Final = 11
STATUS_SERVER: Final = 12
DISCONNECT_REQUEST: Final = 40
DISCONNECT_ACK: Final = 41
DISCONNECT_NAK: Final = 42
COA_REQUEST: Final = 43
COA_ACK: Final = 44
COA_NAK: Final = 45

PACKET_LENGTH_MIN: Final = 20  # RFC 2865 §3
PACKET_LENGTH_MAX: Final = 4096

# Attribute numbers.
USER_NAME: Final = 1
USER_PASSWORD: Final = 2
CHAP_PASSWORD: Final = 3
NAS_IP_ADDRESS: Final = 4
NAS_PORT: Final = 5
SERVICE_TYPE: Final = 6
FRAMED_IP_ADDRESS: Final = 8
REPLY_MESSAGE: Final = 18
STATE: Final = 24
CLASS: Final = 25
VENDOR_SPECIFIC: Final = 26
SESSION_TIMEOUT: Final = 27
CALLED_STATION_ID: Final = 30
CALLING_STATION_ID: Final = 31
NAS_IDENTIFIER: Final = 32
PROXY_STATE: Final = 33
ACCT_STATUS_TYPE: Final = 40
ACCT_SESSION_ID: Final = 44
EVENT_TIMESTAMP: Final = 55
CHAP_CHALLENGE: Final = 60
NAS_PORT_TYPE: Final = 61
ARAP_PASSWORD: Final = 70
EAP_MESSAGE: Final = 79
MESSAGE_AUTHENTICATOR: Final = 80
ACCT_INTERIM_INTERVAL: Final = 85
NAS_PORT_ID: Final = 87
NAS_IPV6_ADDRESS: Final = 95
ERROR_CAUSE: Final = 101

MICROSOFT: Final = 311  # vendor id of RFC 2548
MS_CHAP_RESPONSE: Final = 1
MS_CHAP_ERROR: Final = 2
MS_MPPE_ENCRYPTION_POLICY: Final = 7
MS_MPPE_ENCRYPTION_TYPES: Final = 8
MS_CHAP_CHALLENGE: Final = 11
MS_CHAP_MPPE_KEYS: Final = 12
MS_MPPE_SEND_KEY: Final = 16
MS_MPPE_RECV_KEY: Final = 17
MS_CHAP2_RESPONSE: Final = 25
MS_CHAP2_SUCCESS: Final = 26
