"""Alerts by e-mail, over SMTP."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from keelmark.service.alerts.channels.port import TIMEOUT_S, Clock, NotDelivered, summary
from keelmark.service.alerts.values import Alert

_SUBJECT_MAX = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """Sends alerts as one message; the password is never shown."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    user: str
    password: str
    starttls: bool
    clock: Clock

    def send(self, alerts: Sequence[Alert]) -> None:
        """Hand a message to the mail server; it is delivered when the server has taken it."""
        message = self.message(alerts)
        problem, is_final = "", False
        try:
            with smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S) as server:
                if self.starttls:
                    server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(message)
        except (smtplib.SMTPAuthenticationError, smtplib.SMTPRecipientsRefused) as error:
            problem, is_final = type(error).__name__, True
        except (smtplib.SMTPException, OSError) as error:
            problem = type(error).__name__
        if problem:
            msg = f"the mail server did not take the message: {problem}"
            raise NotDelivered(msg, is_final=is_final)

    def message(self, alerts: Sequence[Alert]) -> EmailMessage:
        """Return the message; what an account is called cannot add a header."""
        lines = summary(alerts).splitlines()
        message = EmailMessage()
        message["Subject"] = " ".join(f"Keelmark: {lines[0]}".split())[:_SUBJECT_MAX]
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Date"] = formatdate(self.clock() / 1000)
        message["Message-ID"] = make_msgid(domain="keelmark")
        message.set_content("\n".join(lines) + "\n")
        return message
