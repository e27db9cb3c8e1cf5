"""Delivery: a published digest to the mailboxes and chats of its readers, once.

targets      where a profile's digests go
sheets       what is sent: the page as it was published
letters      … as a mail
notices      … as a short message
mailing      hands a mail to a mail server
chatting     hands a message to a chat
register     what was sent whereto, which all workers share
delivering   what is due, and sending it
"""
