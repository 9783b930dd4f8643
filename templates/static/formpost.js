// Sends the answer on to the relying system at once.
HTMLFormElement.prototype.submit.call(document.getElementById('form-post'));
